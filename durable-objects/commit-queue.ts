import { describeError } from "../db/client.ts";

/** Commands that share one transaction at most: bounds the time others wait. */
const COMMIT_COMMANDS = 512;
/**
 * Pause after a commit that was shared. Those it answered are about to speak again: without it, half of them miss
 * the next commit, and everybody's frames double. A message that finds the conversation idle never waits.
 */
const GATHER_MS = 1;

export interface CommitQueueOptions<Job> {
  /** Refuses a job whose sender must first repeat an earlier one. @returns whether it did */
  holdBack(job: Job): boolean;
  /** Carries all of them out, in their order and in one transaction. Never throws. */
  commit(jobs: Job[]): Promise<void>;
  /** Resolves when what was committed is durable. */
  sync(): Promise<void>;
  pause(ms: number): Promise<void>;
  note(event: string, fields: Record<string, unknown>): void;
}

/** Group commit: what arrives while a commit becomes durable shares the next one. */
export class CommitQueue<Job> {
  readonly #options: CommitQueueOptions<Job>;
  #jobs: Job[] = [];
  #isRunning = false;

  constructor(options: CommitQueueOptions<Job>) {
    this.#options = options;
  }

  submit(job: Job): void {
    this.#jobs.push(job);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    const { holdBack, commit, sync, pause, note } = this.#options;
    this.#isRunning = true;
    try {
      while (this.#jobs.length > 0) {
        const jobs = this.#jobs.splice(0, COMMIT_COMMANDS).filter((job) => !holdBack(job));
        await commit(jobs);
        await sync();
        if (jobs.length > 1) await pause(GATHER_MS);
      }
    } catch (error) {
      // Storage failed under us: the platform resets the object, and every sender repeats what got no answer.
      note("sync_failed", { error: describeError(error) });
    } finally {
      this.#isRunning = false;
    }
  }
}
