import type { Language, Words } from "./i18n.ts";

const formatters = new Map<string, Intl.DateTimeFormat>();

function format(language: Language, date: Date, options: Intl.DateTimeFormatOptions): string {
  const key = language + JSON.stringify(options);
  let formatter = formatters.get(key);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat(language, options);
    formatters.set(key, formatter);
  }
  return formatter.format(date);
}

/** 2:05 PM. */
export const clockTime = (language: Language, date: Date): string =>
  format(language, date, { hour: "numeric", minute: "2-digit" });

/** Date and time in full, for tooltips. */
export const fullTime = (language: Language, date: Date): string =>
  format(language, date, { dateStyle: "full", timeStyle: "medium" });

/** What stands above the messages of a day. */
export function dayName(language: Language, t: Words, date: Date, now = new Date()): string {
  switch (daysBetween(date, now)) {
    case 0:
      return t.today;
    case 1:
      return t.yesterday;
    default:
      return format(language, date, {
        weekday: "long",
        month: "long",
        day: "numeric",
        ...(date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }),
      });
  }
}

/** As short as a conversation list wants it: a time today, a date before. */
export function listTime(language: Language, t: Words, date: Date, now = new Date()): string {
  switch (daysBetween(date, now)) {
    case 0:
      return clockTime(language, date);
    case 1:
      return t.yesterday;
    default:
      return date.getFullYear() === now.getFullYear()
        ? format(language, date, { month: "short", day: "numeric" })
        : format(language, date, { year: "numeric", month: "numeric", day: "numeric" });
  }
}

/** How long ago: in minutes, hours or days, and a date where that says more. */
export function agoText(language: Language, t: Words, date: Date, now = new Date()): string {
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000);
  if (minutes < 1) return t.justNow;
  const format = new Intl.RelativeTimeFormat(language);
  if (minutes < 60) return format.format(-minutes, "minute");
  if (minutes < 24 * 60) return format.format(-Math.floor(minutes / 60), "hour");
  const days = daysBetween(date, now);
  return days < 7 ? format.format(-days, "day") : listTime(language, t, date, now);
}

export const number = (language: Language, value: number): string =>
  new Intl.NumberFormat(language).format(value);

/** Calendar days in the reader's time zone; rounding absorbs the hour of a clock change. */
function daysBetween(earlier: Date, later: Date): number {
  return Math.round((startOfDay(later) - startOfDay(earlier)) / 86_400_000);
}

export const startOfDay = (date: Date): number =>
  new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
