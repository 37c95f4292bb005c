/** An OTLP endpoint that forgets what it gets. */
if (import.meta.main) {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  }, async (request) => {
    await request.bytes();
    return new Response(null, { headers: { "content-type": "application/x-protobuf" } });
  });
}
