"use client";

import { useChatClient } from "@arcyou/chat-client/react";

export function SignOutButton({ signOut }: { signOut: () => Promise<void> }) {
  const chat = useChatClient();
  const leave = async () => {
    // Nothing of the user stays on a device that others may use.
    await chat.erase();
    await signOut();
  };
  return (
    <form action={leave}>
      <button type="submit">Sign out</button>
    </form>
  );
}
