/**
 * What contexts have in common: packing finds it here instead of in each of them. Part of the format of
 * records, so it never changes.
 */
export const DICTIONARY = new TextEncoder().encode(
  '"structured_outputs","forced_tool_choice","parallel_tool_calls","reasoning","extreme","complex",' +
    '"standard","json_object","json_schema","required","named","auto","max_completion_tokens",' +
    '"max_output_tokens","anthropic","openai-responses","first_turn","metadata","header","body",' +
    '"half_open","passed","limited","pending","failed","validation":{"status":"passed","ageDays":10,' +
    '"qualityScore":0.9,"passRate":0.9},"rejected":[{"id":"","provider":"","model":"","reasons":[' +
    '"request-shape-context-exceeded","input-modality-image","tool-support","reasoning-support",' +
    '"dialect-not-accepted","tool-only-target"]}],' +
    '{"version":1,"requestId":"req_01","group":"general","now":1765432100000,"seed":2511384813,' +
    '"dialect":"openai-chat","features":{"stream":true,"temperatureSet":false,"streamOptions":false,' +
    '"usageAsked":false,"previousResponseId":false,"messageCount":1,"turnCount":1,"textChars":40,' +
    '"messageTextChars":40,"toolCount":0,"hasToolResults":false,"hostedTools":[],' +
    '"toolChoice":"omitted","structuredOutput":"none","parallelToolCalls":null,"imageCount":0,' +
    '"audioCount":0,"fileCount":0,"inputModalities":["text"],"outputModalities":["text"],' +
    '"outputCap":null,"outputCapField":"max_tokens","reasoning":{"requested":false,"kind":"none",' +
    '"effort":null,"budgetTokens":null,"source":null},"metadataKeys":[],"choices":1,"asciiChars":40,' +
    '"otherChars":0,"mediaTokens":0,"requestBytes":120,"toolSchemaBytes":0,' +
    '"reservedOutputTokens":4096,"estimatedInputTokens":17,"estimatedToolTokens":0,' +
    '"estimatedImageTokens":0,"complexity":"trivial"},"requirements":["text","tools","tool_choice",' +
    '"max_tokens"],"caller":{"id":"ci","user":"ada","project":"apollo","environment":"prod",' +
    '"tokenId":null,"role":null},"contract":null,"conversationKey":"ck_",' +
    '"conversationKeySource":"anonymous","pinnedIndex":null,"budget":{"day":null,"month":null,' +
    '"pressure":0},"targets":[{"groupIndex":0,"validation":null,"signals":{"observations":120,' +
    '"successes":118,"p50LatencyMs":900,"p95LatencyMs":2400,"p50TtfbMs":300,' +
    '"outputTokensPerSec":60,"errorRate":0.0083,"timeoutRate":0,"meanOutputTokens":400,' +
    '"cachedInputShare":0,"inputTokenRatio":1,"inflight":3,"breaker":"closed","breakerUntil":null,' +
    '"backoffUntil":null}},{"groupIndex":1,"validation":null,"signals":{"observations":0,' +
    '"successes":0,"p50LatencyMs":null,"p95LatencyMs":null,"p50TtfbMs":null,' +
    '"outputTokensPerSec":null,"errorRate":null,"timeoutRate":null,"meanOutputTokens":null,' +
    '"cachedInputShare":null,"inputTokenRatio":null,"inflight":0,"breaker":"closed",' +
    '"breakerUntil":null,"backoffUntil":null}}],"rejected":[]}',
);
