import type { z } from "zod";
import { CLOSE } from "../../protocol/close-codes.ts";
import { command, durableEvent, serverEvent } from "../../protocol/frames.ts";
import { socketQuery } from "../../protocol/rest.ts";
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

/** Every command a client may send, and every event the service sends, by its type. */
export function socketMessages(): { commands: Map<string, z.ZodType>; events: Map<string, z.ZodType> } {
  const byType = (schemas: readonly unknown[]) =>
    new Map((schemas as TypedObject[]).map((schema) => [schema.shape.type.value, schema as z.ZodType]));
  const others = serverEvent.options.filter((option) => option !== durableEvent);
  return { commands: byType(command.options), events: byType([...others, ...durableEvent.options]) };
}

/** What is said on a conversation's socket, made from the schemas that check it. */
export function asyncApiDocument(): AsyncApiDocument {
  const collector = new SchemaCollector();
  const messages: AsyncApiDocument["components"]["messages"] = {};
  const { commands, events } = socketMessages();
  for (const [type, schema] of [...commands, ...events]) {
    messages[type] = { name: type, contentType: "application/json", payload: collector.toJsonSchema(schema) };
  }
  const refer = (names: Iterable<string>, to: string) =>
    [...names].map((name) => ({ $ref: `${to}/${name}` }));
  return {
    asyncapi: "3.0.0",
    info: {
      title: "ArcYou Chat: sockets",
      version: "1",
      description: [
        `Offer the subprotocols \`${SUBPROTOCOL}\` and \`${BEARER_SUBPROTOCOL_PREFIX}<token>\`; the service answers with \`${SUBPROTOCOL}\` alone.`,
        "A frame is text: one JSON object, or an array of them, handled in order. The text `ping` is answered with `pong`.",
        "`ready` comes first, then what was missed or the latest page, then `synced`. After it, events with a `seq` come without gaps.",
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
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: {
      command: {
        action: "receive",
        summary: "What a client sends",
        channel: { $ref: "#/channels/conversation" },
        messages: refer(commands.keys(), "#/channels/conversation/messages"),
      },
      event: {
        action: "send",
        summary: "What the service sends",
        channel: { $ref: "#/channels/conversation" },
        messages: refer(events.keys(), "#/channels/conversation/messages"),
      },
    },
    components: { messages, schemas: collector.components },
  };
}
