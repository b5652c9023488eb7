/** Between the bench and the process of one replica. */
export interface ReplicaOptions {
  readonly directory: string;
  readonly name: string;
  /** Hexadecimal. */
  readonly consensusSeed: string;
  readonly engineSeed: string;
  readonly genesis: string;
  readonly config: {
    readonly listen: { readonly host: string; readonly port: number };
    readonly peers: readonly {
      readonly host: string;
      readonly port: number;
      readonly id: string;
    }[];
  };
  readonly blockIntervalMs: number;
  readonly heartbeatMs: number;
  /** Of the gateway; 1 sends every transaction alone. */
  readonly bundleCountMax: number;
  readonly program: { readonly path: string; readonly version: string };
}

export type ToReplica =
  | { readonly kind: 'start'; readonly options: ReplicaOptions }
  | { readonly kind: 'prepare'; readonly count: number }
  | { readonly kind: 'drive'; readonly window: number }
  /** One transaction after another, with a pause of `pauseMs` on average between them. */
  | { readonly kind: 'light'; readonly count: number; readonly pauseMs: number }
  | { readonly kind: 'stop' };

export type FromReplica =
  | { readonly kind: 'started'; readonly enginePid: number }
  | { readonly kind: 'prepared' }
  | { readonly kind: 'driven' }
  | { readonly kind: 'lit'; readonly latenciesMs: readonly number[] }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly reason: string };
