/** What runs decisions: another one may, in rare cases, decide otherwise. */
export const ENGINE = `deno/${Deno.version.deno} v8/${Deno.version.v8}`;
