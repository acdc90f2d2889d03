import { useState } from "react";

/** One request at a time: whether it is on the way, and why the last one failed. */
export function useRequest(): {
  isBusy: boolean;
  error: unknown;
  /** @returns whether it was done; false also while another is on the way */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
} {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    if (isBusy) return false;
    setBusy(true);
    setError(null);
    try {
      await work();
      return true;
    } catch (caught) {
      setError(caught);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, run };
}
