"use client";

import { useSyncExternalStore } from "react";

const subscribe = () => () => {};

/** The time of day where the reader is; on the server, which does not know that, in UTC. */
export function LocalTime({ iso }: { iso: string }) {
  const format = (timeZone?: string) =>
    new Date(iso).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone });
  const text = useSyncExternalStore(
    subscribe,
    () => format(),
    () => format("UTC"),
  );
  return <time dateTime={iso}>{text}</time>;
}
