import { createStore } from "./external-store.ts";
import type { Language } from "./i18n.ts";
import { read, write } from "./web-storage.ts";

export type Theme = "light" | "dark";

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const systemTheme = (): Theme => (prefersDark.matches ? "dark" : "light");
const systemLanguage = (): Language => (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");

const storedTheme = (): Theme | null => {
  const stored = read("local", "theme");
  return stored === "light" || stored === "dark" ? stored : null;
};
const storedLanguage = (): Language | null => {
  const stored = read("local", "language");
  return stored === "ko" || stored === "en" ? stored : null;
};

/** The theme on screen: the one chosen, or the system's. */
export const theme = createStore<Theme>(storedTheme() ?? systemTheme());
/** The language on screen: the one chosen, or the browser's. */
export const language = createStore<Language>(storedLanguage() ?? systemLanguage());

/** Choosing what the system has anyway goes back to following the system. */
export function chooseTheme(next: Theme): void {
  write("local", "theme", next === systemTheme() ? null : next);
  theme.set(next);
}

export function chooseLanguage(next: Language): void {
  write("local", "language", next);
  language.set(next);
}

const reread = () => {
  theme.set(storedTheme() ?? systemTheme());
  language.set(storedLanguage() ?? systemLanguage());
};
const applyToDocument = () => {
  document.documentElement.dataset.theme = theme.get();
  document.documentElement.lang = language.get();
};

prefersDark.addEventListener("change", reread);
window.addEventListener("storage", reread);
theme.subscribe(applyToDocument);
language.subscribe(applyToDocument);
applyToDocument();
