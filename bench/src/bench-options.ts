export interface BenchOptions {
  /** A size that finishes in seconds, to see that the bench runs; its figures are not for reports. */
  readonly quick: boolean;
}
