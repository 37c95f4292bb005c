import { type GatewayProcess } from "./gateway_process.ts";

/** The process that serves as a worker now, as the log tells. */
export function workerPid(gateway: GatewayProcess, worker: number): number {
  const lines = gateway.output().matchAll(/^\{.*"event":"worker_started".*\}$/gm);
  const started = [...lines].map(([line]) => JSON.parse(line))
    .findLast((line) => line.worker === worker);
  if (!started) throw new Error(`Cannot find worker ${worker}`);
  return started.pid;
}

/** How often the log tells of an event of a worker. */
export function told(gateway: GatewayProcess, event: string, worker?: number): number {
  const behind = worker === undefined ? "" : `.*"worker":${worker}\\b`;
  return [...gateway.output().matchAll(new RegExp(`"event":"${event}"${behind}`, "g"))].length;
}

/** Ends when an event of a worker has been told so often. */
export function saidOften(
  gateway: GatewayProcess,
  event: string,
  times: number,
): Promise<void> {
  return gateway.said(new RegExp(`(?:"event":"${event}"[^]*){${times}}`));
}
