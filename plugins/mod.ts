import { registry } from "@/core/registry.ts";
import { echoUpstream } from "./echo/mod.ts";

/** The upstreams that live in this process, reached by the base URL `builtin:<name>`. */
export const upstreams = registry("built-in upstream", [echoUpstream]);
