/** The few things a journal does with a file, so that a test can make them fail. */
export interface AppendFile extends Disposable {
  /** Appends; gives the bytes written, which may be fewer. Throws what the system says. */
  write(bytes: Uint8Array): number;
  /** Bytes in the file. */
  size(): number;
  truncate(size: number): void;
  /** Makes the data durable (fdatasync). */
  sync(): void;
  syncLater(): Promise<void>;
}

/** Opens a file for append, made with mode 0600 when missing. */
export type OpenAppendFile = (path: string) => AppendFile;

/** Opens a real file. */
export function openAppendFile(path: string): AppendFile {
  const file = Deno.openSync(path, { create: true, append: true, read: true, mode: 0o600 });
  return {
    write: (bytes) => file.writeSync(bytes),
    size: () => file.statSync().size,
    truncate: (size) => file.truncateSync(size),
    sync: () => file.syncDataSync(),
    syncLater: () => file.syncData(),
    [Symbol.dispose]: () => file.close(),
  };
}
