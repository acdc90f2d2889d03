import { useI18n } from "./i18n.ts";

/** The first thing the keyboard comes to: past the list, to where one writes. A button, because the hash is the route. */
export function SkipLink() {
  const { t } = useI18n();
  const skip = () => document.querySelector<HTMLElement>("main textarea, main button")?.focus();
  return (
    <button type="button" className="skip-link" data-testid="skip-link" onClick={skip}>
      {t.skipToConversation}
    </button>
  );
}
