import assert from "node:assert/strict";
import type { Command } from "commander";
import { commandLine } from "../main.ts";

interface Leaf {
  /** As it is typed. */
  readonly name: string;
  readonly command: Command;
}

const program = await commandLine();
const leaves = leavesOf(program, program.name());

/** Commands that do something, but for those nobody types. */
function leavesOf(command: Command, name: string): readonly Leaf[] {
  const visible = command.createHelp().visibleCommands(command)
    .filter((child) => child.name() !== "help");
  if (visible.length === 0) return [{ name, command }];
  return visible.flatMap((child) => leavesOf(child, `${name} ${child.name()}`));
}

function helpOf(command: Command): string {
  let help = "";
  command.configureOutput({ writeOut: (text) => help += text }).outputHelp();
  return help;
}

Deno.test("the command line has its commands", () => {
  const names = leaves.map(({ name }) => name);
  for (const name of ["serve", "config validate", "usage ship", "policy replay"]) {
    assert(names.includes(`pointsman ${name}`), name);
  }
  assert(!names.includes("pointsman worker"));
});

for (const { name, command } of leaves) {
  Deno.test(`${name} --help fits a terminal of 80 columns, and states no default that is none`, () => {
    const help = helpOf(command);
    assert.deepEqual(help.split("\n").filter(({ length }) => length > 80), []);
    assert.doesNotMatch(help, /default: (?:false|""|\[\])/);
  });

  Deno.test(`${name} --help says what it does, and shows it with flags that it takes`, () => {
    assert(command.description(), "no description");
    const help = helpOf(command);
    const [, shown = ""] = help.replaceAll(/\\\n */g, "").split(/^Examples?:$/m);
    const typed = shown.split("\n").filter((line) =>
      line.includes(`${name} `) || line.endsWith(name)
    );
    assert(typed.length >= 1 && typed.length <= 4, `${typed.length} examples in:\n${help}`);
    const flags = command.options.flatMap(({ long }) => long ?? []);
    for (const line of typed) {
      const own = line.slice(line.indexOf(name)).split(" | ")[0]!;
      for (const [flag] of own.matchAll(/--[a-z][a-z-]*/g)) {
        assert(flags.includes(flag), `${flag} is none of its flags`);
      }
      for (const { long, mandatory } of command.options) {
        if (mandatory) assert(own.includes(` ${long} `), `${long} is missing in "${own}"`);
      }
    }
  });
}
