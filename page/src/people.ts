import { DEMO_USERS } from "../../dev/demo-users.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import type { Words } from "./i18n.ts";

export interface Person {
  id: string;
  name: string;
  avatar_url: string | null;
}

/** A participant's profile, or what the demo knows of the id: bare UUIDs as credentials carry no name. */
export function personOf(userId: string, participants: readonly Participant[], t: Words): Person {
  const profile = participants.find(({ user_id }) => user_id === userId)?.user;
  const demo = DEMO_USERS.find(({ id }) => id === userId);
  return {
    id: userId,
    name: profile?.name ?? demo?.name ?? t.somebody,
    avatar_url: profile?.avatar_url ?? demo?.avatar_url ?? null,
  };
}

/** How a conversation appears to one of its participants. */
export interface Face {
  name: string;
  avatarId: string;
  avatarName: string;
  avatarUrl: string | null;
  shape: "person" | "group";
}

/** The title, or else the other people's names. `participants` may be empty while they load. */
export function faceOf(
  conversation: Conversation,
  participants: readonly Participant[],
  myId: string,
  t: Words,
): Face {
  const others = otherIds(conversation, participants, myId).map((id) => personOf(id, participants, t));
  const [other] = others;
  if (conversation.type === "direct" && other) {
    const name = conversation.title ?? other.name;
    return { name, avatarId: other.id, avatarName: name, avatarUrl: other.avatar_url, shape: "person" };
  }
  const name = conversation.title ?? (others.map((person) => person.name).join(", ") || t.unnamedGroup);
  return { name, avatarId: conversation.id, avatarName: name, avatarUrl: null, shape: "group" };
}

/** Whom a direct conversation is with; null for a group. */
export function otherOf(
  conversation: Conversation,
  participants: readonly Participant[],
  myId: string,
): string | null {
  if (conversation.type !== "direct") return null;
  return otherIds(conversation, participants, myId)[0] ?? null;
}

function otherIds(conversation: Conversation, participants: readonly Participant[], myId: string): string[] {
  if (participants.length > 0) {
    return participants.map(({ user_id }) => user_id).filter((id) => id !== myId);
  }
  const guesses = [conversation.created_by, conversation.last_message?.sender_id ?? myId];
  return [...new Set(guesses)].filter((id) => id !== myId);
}
