/** What long work reports: a step, and how far it is (of `total`, where that is known). */
export interface Progress {
  readonly step:
    | 'sealing'
    | 'storing'
    | 'signing'
    | 'final'
    | 'granting'
    | 'acknowledged'
    | 'fetching'
    | 'access'
    | 'shares'
    | 'opening'
    | 'walking';
  readonly done: number;
  readonly total?: number;
}

export type OnProgress = (progress: Progress) => void;
