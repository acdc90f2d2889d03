import { createStore } from "./external-store.ts";
import { read, write } from "./web-storage.ts";

/**
 * Whether new messages are announced outside the page: `on` and `off` are the user's choice on this device, `denied` is
 * the browser's, and where it is `unsupported` nobody has one.
 */
export type Notifications = "on" | "off" | "denied" | "unsupported";

export const notifications = createStore<Notifications>(current());

function current(): Notifications {
  if (!("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && read("local", "notifications") ? "on" : "off";
}

/** Asks the user, if the browser has not yet; for the click on a switch. */
export async function turnNotifications(isOn: boolean): Promise<void> {
  if (isOn && Notification.permission === "default") await Notification.requestPermission();
  write("local", "notifications", isOn && Notification.permission === "granted" ? "on" : null);
  reread();
}

/** Shows one; null where the browser has the interface and yet cannot do it, as on Android. */
export function notify(title: string, options: NotificationOptions): Notification | null {
  try {
    return new Notification(title, options);
  } catch {
    notifications.set("unsupported");
    return null;
  }
}

function reread(): void {
  if (notifications.get() !== "unsupported") notifications.set(current());
}

window.addEventListener("storage", reread);
navigator.permissions?.query({ name: "notifications" }).then(
  (status) => status.addEventListener("change", reread),
  // It is seen with the next click, then.
  () => undefined,
);
