/** What `/healthz` and `/readyz` say. */

/** `degraded`: the process lives, and work of user code may be undone that no one waits for. */
export interface HealthView {
  readonly status: "ok" | "degraded";
  /**
   * Promises that were rejected and that nothing waited for, since the process started. Absent: none. null: not known, for
   * the program listens to them itself and has not asked for `reportRejections`.
   */
  readonly unhandledRejections?: number | null;
}

export interface ReadinessView {
  readonly ready: boolean;
  /** What is missing, in sentences. */
  readonly missing: readonly string[];
  /** What is wrong although work can be done, in sentences. */
  readonly warnings: readonly string[];
}
