import type { z } from "zod";
import { CLOSE } from "../../protocol/close-codes.ts";
import {
  command,
  durableEvent,
  inboxEvent,
  liveEvent,
  refreshCommand,
  serverEvent,
} from "../../protocol/frames.ts";
import { inboxQuery, socketQuery } from "../../protocol/rest.ts";
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "../../protocol/version.ts";
import { type JsonSchema, SchemaCollector } from "./schemas.ts";

/** An AsyncAPI 3.0 document, as JSON. */
export interface AsyncApiDocument {
  asyncapi: "3.0.0";
  info: { title: string; version: string; description: string };
  channels: Record<string, object>;
  operations: Record<string, object>;
  components: { messages: Record<string, MessageObject>; schemas: Record<string, JsonSchema> };
}

export interface MessageObject {
  name: string;
  contentType: "application/json";
  payload: JsonSchema;
}

type TypedObject = z.ZodObject<{ type: z.ZodLiteral<string> }>;

/** What is said on the two kinds of sockets, each by its type. */
export function socketMessages(): Record<"conversation" | "inbox", SocketMessages> {
  const byType = (schemas: readonly unknown[]) =>
    new Map((schemas as TypedObject[]).map((schema) => [schema.shape.type.value, schema as z.ZodType]));
  const unions: readonly z.ZodType[] = [durableEvent, liveEvent];
  const others = serverEvent.options.filter((option) => !unions.includes(option));
  return {
    conversation: {
      commands: byType(command.options),
      events: byType([...others, ...liveEvent.options, ...durableEvent.options]),
    },
    inbox: { commands: byType([refreshCommand]), events: byType(inboxEvent.options) },
  };
}

interface SocketMessages {
  /** Everything a client may send. */
  commands: Map<string, z.ZodType>;
  /** Everything the service sends. */
  events: Map<string, z.ZodType>;
}

/** What is said on sockets, made from the schemas that check it. Messages of the inbox are named `inbox.` and their type. */
export function asyncApiDocument(): AsyncApiDocument {
  const collector = new SchemaCollector();
  const messages: AsyncApiDocument["components"]["messages"] = {};
  const { conversation, inbox } = socketMessages();
  for (const [prefix, { commands, events }] of [
    ["", conversation],
    ["inbox.", inbox],
  ] as const) {
    for (const [type, schema] of [...commands, ...events]) {
      const payload = collector.toJsonSchema(schema);
      messages[`${prefix}${type}`] = { name: type, contentType: "application/json", payload };
    }
  }
  const namesOf = (types: Iterable<string>, prefix: string) => [...types].map((type) => `${prefix}${type}`);
  const refer = (names: Iterable<string>, to: string) =>
    [...names].map((name) => ({ $ref: `${to}/${name}` }));
  const refs = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]));
  return {
    asyncapi: "3.0.0",
    info: {
      title: "ArcYou Chat: sockets",
      version: "1",
      description: [
        `Offer the subprotocols \`${SUBPROTOCOL}\` and \`${BEARER_SUBPROTOCOL_PREFIX}<token>\`; the service answers with \`${SUBPROTOCOL}\` alone.`,
        "A frame is text: one JSON object, or an array of them, handled in order. The text `ping` is answered with `pong`.",
        "In a conversation `ready` comes first, then what was missed or the latest page, then `synced`. After it, events with a `seq` come without gaps.",
        "In an inbox `ready` comes first, then what Postgres did not know yet, then `synced`.",
        `Close codes: ${Object.entries(CLOSE)
          .map(([name, code]) => `${code} ${name}`)
          .join(", ")}; 4500 to 4599: try again.`,
      ].join("\n\n"),
    },
    channels: {
      conversation: {
        address: "/api/conversations/{id}/socket",
        title: "One conversation",
        parameters: { id: { description: "The conversation." } },
        bindings: { ws: { method: "GET", query: collector.toJsonSchema(socketQuery, "output") } },
        messages: refs(namesOf([...conversation.commands.keys(), ...conversation.events.keys()], "")),
      },
      inbox: {
        address: "/api/inbox/socket",
        title: "One's own feed: the list of conversations, unread counts, who is online",
        bindings: { ws: { method: "GET", query: collector.toJsonSchema(inboxQuery, "output") } },
        messages: refs(namesOf([...inbox.commands.keys(), ...inbox.events.keys()], "inbox.")),
      },
    },
    operations: {
      command: {
        action: "receive",
        summary: "What a client sends",
        channel: { $ref: "#/channels/conversation" },
        messages: refer(namesOf(conversation.commands.keys(), ""), "#/channels/conversation/messages"),
      },
      event: {
        action: "send",
        summary: "What the service sends",
        channel: { $ref: "#/channels/conversation" },
        messages: refer(namesOf(conversation.events.keys(), ""), "#/channels/conversation/messages"),
      },
      inboxCommand: {
        action: "receive",
        summary: "What a client sends to its inbox",
        channel: { $ref: "#/channels/inbox" },
        messages: refer(namesOf(inbox.commands.keys(), "inbox."), "#/channels/inbox/messages"),
      },
      inboxEvent: {
        action: "send",
        summary: "What the inbox sends",
        channel: { $ref: "#/channels/inbox" },
        messages: refer(namesOf(inbox.events.keys(), "inbox."), "#/channels/inbox/messages"),
      },
    },
    components: { messages, schemas: collector.components },
  };
}
