import { useEffect } from "react";
import { useChatClient } from "../../client/react/index.ts";
import { announce } from "./announcer.ts";
import { useStore } from "./external-store.ts";
import { useI18n } from "./i18n.ts";
import { notifications } from "./notifications.ts";

/** Announces what arrives while nobody sees the page, if the user wants that. */
export function useNotifications(userId: string): void {
  const chat = useChatClient();
  const { t } = useI18n();
  const isOn = useStore(notifications) === "on";
  useEffect(() => (isOn ? announce(chat, userId, t) : undefined), [chat, userId, t, isOn]);
}
