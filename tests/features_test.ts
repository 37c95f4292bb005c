import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { completeFeatures, type WireFeatures } from "@/core/features.ts";
import { readWire } from "@/core/scan.ts";
import { dialects } from "@/dialects/mod.ts";
import { wireFeaturesOf } from "./builders.ts";

const GROUP = { imageTokens: 1_024, defaultOutputTokens: 4_096 };
const SIZES = { requestBytes: 100, toolSchemaBytes: 0 };

const complete = (changes: Partial<WireFeatures>, toolSchemaBytes = 0) =>
  completeFeatures(wireFeaturesOf(changes), { ...SIZES, toolSchemaBytes }, GROUP);

Deno.test("estimate of hello world is 10 tokens", () => {
  const body = `{"messages":[{"role":"user","content":"hello world"}]}`;
  const wire = readWire(new TextEncoder().encode(body));
  const features = dialects.get("openai-chat").features(wire);
  assert.equal(completeFeatures(features, SIZES, GROUP).estimatedInputTokens, 10);
});

const ESTIMATES: readonly (readonly [string, Partial<WireFeatures>, number, number])[] = [
  ["nothing but the reply's start", { messageCount: 0, asciiChars: 0 }, 0, 3],
  ["4 tokens a message", { messageCount: 5, asciiChars: 0 }, 0, 23],
  ["a token for 4 ASCII characters, rounded up", { asciiChars: 9 }, 0, 10],
  ["a token for each other character", { asciiChars: 2, otherChars: 3 }, 0, 11],
  ["a token for 4 bytes of tools, rounded up on their own", { asciiChars: 9 }, 5, 12],
  ["the image tokens of the group for each image", { asciiChars: 0, imageCount: 2 }, 0, 2_055],
  ["audio and files", { asciiChars: 0, mediaTokens: 500 }, 0, 507],
];

for (const [what, changes, toolSchemaBytes, tokens] of ESTIMATES) {
  Deno.test(`estimate counts ${what}`, () => {
    assert.equal(complete(changes, toolSchemaBytes).estimatedInputTokens, tokens);
  });
}

Deno.test("estimate tells tools and images apart", () => {
  const { estimatedToolTokens, estimatedImageTokens } = complete({ imageCount: 2 }, 9);
  assert.deepEqual([estimatedToolTokens, estimatedImageTokens], [3, 2_048]);
});

const RESERVED: readonly (readonly [string, Partial<WireFeatures>, number])[] = [
  ["the caller's cap", { outputCap: 100 }, 100],
  ["the group's default without a cap", {}, 4_096],
  ["the cap of every choice", { outputCap: 100, choices: 3 }, 300],
  ["the default of every choice", { choices: 2 }, 8_192],
];

for (const [what, changes, tokens] of RESERVED) {
  Deno.test(`reserved output is ${what}`, () => {
    assert.equal(complete(changes).reservedOutputTokens, tokens);
  });
}

const OWN_WORDS: readonly (readonly [DialectName, string])[] = [
  ["openai-chat", '"reasoning_effort":"my own words"'],
  ["openai-chat", '"modalities":["text","my own words","audio","and more"]'],
  ["openai-responses", '"input":"x","reasoning":{"effort":"my own words"}'],
  ["anthropic", '"max_tokens":9,"output_config":{"effort":"my own words"}'],
];

for (const [dialect, member] of OWN_WORDS) {
  Deno.test(`features of ${dialect} hold no word of a caller's own: ${member}`, () => {
    const body = `{"model":"fast","messages":[{"role":"user","content":"x"}],${member}}`;
    const features = dialects.get(dialect).features(readWire(new TextEncoder().encode(body)));
    const { outputModalities, reasoning } = features;
    const words = [...outputModalities, reasoning.effort];
    assert(words.includes("other"), "it is told that something else was asked");
    assert(!JSON.stringify(words).includes("my own words"));
  });
}

Deno.test("features hold no image URL", () => {
  const features = complete({ imageCount: 1, imageUrls: ["https://images.example/secret.png"] });
  assert(!JSON.stringify(features).includes("secret"));
});

/** Each sign alone, its last value that does not count beside the first that does. */
const SIGNS: readonly (readonly [string, Partial<WireFeatures>, Partial<WireFeatures>])[] = [
  ["an estimate of 2,000", { asciiChars: 7_968 }, { asciiChars: 7_972 }],
  ["a tool", { toolCount: 0 }, { toolCount: 1 }],
  ["an image", { imageCount: 0 }, { imageCount: 1 }],
  ["JSON output", { structuredOutput: "none" }, { structuredOutput: "json_object" }],
  ["20 messages", { messageCount: 19 }, { messageCount: 20 }],
  ["a cap of 8,192", { outputCap: 8_191 }, { outputCap: 8_192 }],
  ["reasoning", {}, {
    reasoning: {
      requested: true,
      kind: "effort",
      effort: "low",
      budgetTokens: null,
      source: "reasoning_effort",
    },
  }],
];

for (const [sign, below, at] of SIGNS) {
  Deno.test(`complexity of a request with ${sign} is standard, and trivial just below`, () => {
    assert.equal(complete(below).complexity, "trivial");
    assert.equal(complete(at).complexity, "standard");
  });
}

/** 7 tokens stand beside the characters. */
const chars = (tokens: number) => ({ asciiChars: (tokens - 7) * 4 });

const POINTS: readonly (readonly [number, Partial<WireFeatures>, string])[] = [
  [0, {}, "trivial"],
  [1, chars(2_000), "standard"],
  [2, chars(16_000), "standard"],
  [3, chars(64_000), "complex"],
  [5, { ...chars(64_000), toolCount: 10 }, "complex"],
  [6, { ...chars(64_000), toolCount: 10, structuredOutput: "json_schema" }, "extreme"],
];

for (const [points, changes, complexity] of POINTS) {
  Deno.test(`complexity of ${points} points is ${complexity}`, () => {
    assert.equal(complete(changes).complexity, complexity);
  });
}

Deno.test("complexity counts a second point from 10 tools and from each estimate", () => {
  assert.equal(complete({ toolCount: 9, outputCap: 8_192 }).complexity, "standard");
  assert.equal(complete({ toolCount: 10, outputCap: 8_192 }).complexity, "complex");
  assert.equal(complete({ ...chars(15_999), toolCount: 1 }).complexity, "standard");
  assert.equal(complete({ ...chars(16_000), toolCount: 1 }).complexity, "complex");
});
