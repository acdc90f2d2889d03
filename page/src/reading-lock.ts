import { useEffect } from "react";

/*
 * Which conversations are being read in any tab: a shared lock for each. Unlike anything that is stored, it is gone with
 * the tab that held it, however that ends.
 */
const nameOf = (userId: string, conversationId: string) => `reading ${userId} ${conversationId}`;

/** Says to the other tabs that the conversation is being read in this one. */
export function useReadingLock(userId: string, conversationId: string | null): void {
  useEffect(() => {
    if (conversationId === null || !navigator.locks) return;
    let release = () => {};
    const read = new Promise<void>((resolve) => {
      release = resolve;
    });
    navigator.locks
      .request(nameOf(userId, conversationId), { mode: "shared" }, () => read)
      .catch(() => undefined);
    return () => release();
  }, [userId, conversationId]);
}

export async function isReadAnywhere(userId: string, conversationId: string): Promise<boolean> {
  const locks = await navigator.locks?.query().catch(() => null);
  return locks?.held?.some(({ name }) => name === nameOf(userId, conversationId)) ?? false;
}
