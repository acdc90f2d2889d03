import type { ConversationSnapshot } from "../db/conversations.ts";
import type { StoredMessage } from "../db/messages.ts";
import type { Message, MessageBody } from "../protocol/entities.ts";
import type { DurableEvent } from "../protocol/frames.ts";
import type { Position } from "./commands.ts";
import type { Log } from "./log.ts";
import { diffSnapshot, type Mirror, type MirrorChange, type MirrorState } from "./mirror.ts";
import { mirrorEvent, type View } from "./views.ts";

/** Messages kept when storage starts from Postgres. */
const RECALL_NEWEST = 1_000;
/** Their characters, after which no further step is read, and the messages of a step. */
const RECALL_CHARACTERS = 4_000_000;
const RECALL_STEP = 250;

/** What a conversation begins with when its storage is empty. */
export interface Beginning {
  snapshot: ConversationSnapshot;
  /** The newest messages, ids ascending. */
  newest: StoredMessage[];
  /** Ids of older ones that are deleted or no user's. */
  uncounted: number[];
}

/** The newest messages, read in steps that fit into memory and a reply. */
export async function readNewest(
  read: (limit: number, beforeId?: number) => Promise<StoredMessage[]>,
): Promise<StoredMessage[]> {
  const newest: StoredMessage[] = [];
  let characters = 0;
  while (newest.length < RECALL_NEWEST && characters < RECALL_CHARACTERS) {
    const page = await read(RECALL_STEP, newest[0]?.message.id);
    if (page.length === 0) break;
    newest.unshift(...page);
    characters += JSON.stringify(page).length;
  }
  return newest;
}

/** Fills empty tables with what Postgres has. Runs within a transaction. */
export function begin(
  { log, mirror }: { log: Log; mirror: Mirror },
  { snapshot, newest, uncounted }: Beginning,
  { epoch, nowMs }: { epoch: string; nowMs: number },
): void {
  // Postgres may have more than the snapshot's head only if another life of this object just drained it.
  const head = Math.max(snapshot.last_message_id, newest.at(-1)?.message.id ?? 0);
  const seq = Math.max(snapshot.seq, ...newest.map(({ message }) => message.seq));
  for (const stored of newest) log.recall(stored);
  log.recallUncounted(uncounted);
  for (const participant of snapshot.participants) {
    mirror.writeParticipant({
      ...participant,
      // Left open by a life of this object that ended before it could settle it.
      visible_from_id: participant.visible_from_id ?? head + 1,
      isUndrained: participant.visible_from_id === null,
      seq: 0,
      joinedSeq: 0,
      removed: false,
    });
  }
  const { participants: _, last_message_id: __, said, ...rest } = snapshot;
  appendSaid(log, snapshot, { head, seq }, nowMs);
  mirror.writeState({
    ...rest,
    introducedVersion: 0,
    epoch,
    seq: 0,
    baseHead: head,
    baseSeq: seq,
    floor: newest[0]?.message.id ?? head + 1,
  });
  log.moveCursor({ seq, messageId: head });
  log.saveCursor();
}

/** What a newer snapshot changed. */
export interface Change {
  position: Position;
  /** In the order of their `seq`. */
  events: DurableEvent[];
  added: string[];
  /** Some may be back already. */
  removed: string[];
}

/** Takes over a newer snapshot. Runs within a transaction. */
export function takeOver(
  view: View,
  state: MirrorState,
  snapshot: ConversationSnapshot,
  nowMs: number,
): Change {
  const { log, mirror } = view;
  const position = { ...view.position };
  const differences = diffSnapshot(mirror, snapshot);
  const isComplete =
    state.introducedVersion === state.version && differences.every(({ type }) => type !== "added");
  let next: MirrorState = {
    ...state,
    version: snapshot.version,
    introducedVersion: isComplete ? snapshot.version : state.introducedVersion,
  };
  const changes: Array<[MirrorChange, number]> = [];
  const added: string[] = [];
  const removed: string[] = [];
  for (const change of differences) {
    position.seq += 1;
    const { seq } = position;
    switch (change.type) {
      case "conversation": {
        const { title, history_visibility } = snapshot;
        next = { ...next, title, history_visibility, seq };
        break;
      }
      case "removed": {
        const known = mirror.member(change.userId);
        if (known) mirror.writeParticipant({ ...known, removed: true, seq });
        removed.push(change.userId);
        break;
      }
      case "added": {
        // Only here is it known what was said before they came.
        const visibleFromId = change.participant.visible_from_id ?? position.head + 1;
        change.participant.last_read_id = position.head;
        // Of somebody who was here before, it may be known what they decided since.
        const known = mirror.participants.get(change.participant.user_id)?.settings;
        const { settings } = change.participant;
        mirror.writeParticipant({
          ...change.participant,
          settings: known && known.version > settings.version ? known : settings,
          visible_from_id: visibleFromId,
          isUndrained: true,
          seq,
          joinedSeq: seq,
          removed: false,
        });
        added.push(change.participant.user_id);
        break;
      }
      case "updated": {
        const known = mirror.member(change.participant.user_id);
        if (!known) break;
        const updated = { ...known, role: change.participant.role, seq };
        mirror.writeParticipant(updated);
        changes.push([{ type: "updated", participant: updated }, seq]);
        continue;
      }
    }
    changes.push([change, seq]);
  }
  mirror.writeState(next);
  const events = changes.map(([change, seq]) => mirrorEvent(view, change, seq));
  const said = appendSaid(log, snapshot, position, nowMs);
  events.push(
    ...said.map((message): DurableEvent => ({ type: "message.created", seq: message.seq, message })),
  );
  const last = said.at(-1);
  return { position: last ? { head: last.id, seq: last.seq } : position, events, added, removed };
}

/** What the conversation says about changes of itself, behind `after`. */
function appendSaid(log: Log, { id, said }: ConversationSnapshot, after: Position, nowMs: number): Message[] {
  return said.map(({ actor_id, body }, index) => {
    const message = systemMessage(id, actor_id, body, after.head + index + 1, after.seq + index + 1, nowMs);
    log.append(message);
    return message;
  });
}

function systemMessage(
  conversationId: string,
  actorId: string,
  body: MessageBody,
  id: number,
  seq: number,
  nowMs: number,
): Message {
  return {
    id,
    conversation_id: conversationId,
    sender_id: actorId,
    temp_id: null,
    type: "system",
    body,
    reply_to_id: null,
    reactions: [],
    created_at: new Date(nowMs).toISOString(),
    edited_at: null,
    deleted_at: null,
    seq,
  };
}
