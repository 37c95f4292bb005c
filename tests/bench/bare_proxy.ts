/** The yardstick: what Deno itself costs to parse a body, fetch, and pipe the answer. */
const [upstream = ""] = Deno.args;

if (import.meta.main) {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  }, async (request) => {
    const body = await request.bytes();
    JSON.parse(new TextDecoder().decode(body));
    const answer = await fetch(upstream + new URL(request.url).pathname, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    return new Response(answer.body, {
      status: answer.status,
      headers: { "content-type": answer.headers.get("content-type") ?? "" },
    });
  });
}
