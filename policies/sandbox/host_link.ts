/** What carries frames to a policy host and back. */
export interface HostLink {
  /** Of the process; `null`: a thread of this one. */
  readonly pid: number | null;
  /** Sends a frame; one that cannot be sent is seen as the end of the host. */
  send(frame: Uint8Array<ArrayBuffer>): void;
  /** Ends the host at once, whatever it does. */
  kill(): void;
}

/** What the owner of a link is told. */
export interface LinkEvents {
  /** Bytes of frames; they are good only during the call. */
  onChunk(chunk: Uint8Array): void;
  /** The host is gone; `code` is that of its process. */
  onEnd(code: number): void;
}

/**
 * Starts a host.
 *
 * @param heapMb the largest heap a policy may ask for, MiB
 * @throws {Error} when the system starts none
 */
export type OpenLink = (heapMb: number, events: LinkEvents) => HostLink;
