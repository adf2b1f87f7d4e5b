/** The configuration file of a managed server: loopback only, every acknowledged append is on disk. */

export interface ServerConfig {
  serverName: string;
  /** 0: the server picks a free one. */
  port: number;
  storeDir: string;
  maxPayloadBytes: number;
  maxFileStoreBytes: number;
}

/** How long the server waits for a slow client's socket before it drops that client. */
const WRITE_DEADLINE_S = 10;

/** Both use the same escapes for quotes and backslashes; control characters are refused by the caller's mkdir. */
const quoted = (text: string): string => JSON.stringify(text);

export function renderConfig(config: ServerConfig): string {
  return `# Written by Holdfast at each start; changes are lost.
server_name: ${quoted(config.serverName)}
host: "127.0.0.1"
port: ${config.port === 0 ? -1 : config.port}
ports_file_dir: ${quoted(config.storeDir)}
max_payload: ${config.maxPayloadBytes}
write_deadline: "${WRITE_DEADLINE_S}s"
jetstream {
  store_dir: ${quoted(config.storeDir)}
  max_file_store: ${config.maxFileStoreBytes}
  # Without it an acknowledged message may be lost for up to two minutes when the power fails.
  sync_interval: always
}
`;
}
