import Link from "next/link";
import type { ReactNode } from "react";
import { signOut } from "@/auth";
import { Chat } from "@/components/chat";
import { ConnectionState } from "@/components/connection-state";
import { SignOutButton } from "@/components/sign-out-button";
import { UnreadBadge } from "@/components/unread-badge";
import { CHAT_URL } from "@/lib/chat-server";
import { requireUser } from "@/lib/require-user";

async function signOutHere(): Promise<void> {
  "use server";
  await signOut({ redirectTo: "/sign-in" });
}

export default async function ChatLayout({ children }: { children: ReactNode }) {
  const user = await requireUser();
  return (
    <Chat url={CHAT_URL} userId={user.id}>
      <header className="top">
        <Link href="/" className="home">
          Chat <UnreadBadge />
        </Link>
        <ConnectionState />
        <span className="me">{user.name}</span>
        <SignOutButton signOut={signOutHere} />
      </header>
      {children}
    </Chat>
  );
}
