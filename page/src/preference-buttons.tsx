import { useStore } from "./external-store.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { chooseLanguage, chooseTheme, theme } from "./preferences.ts";

/** Language and theme. */
export function PreferenceButtons() {
  const { t, language } = useI18n();
  const isDark = useStore(theme) === "dark";
  const themeLabel = isDark ? t.toLight : t.toDark;
  const other = language === "ko" ? "en" : "ko";
  return (
    <>
      <button
        type="button"
        className="text-button"
        lang={other}
        data-testid="language"
        onClick={() => chooseLanguage(other)}
      >
        {t.otherLanguage}
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={themeLabel}
        title={themeLabel}
        data-testid="theme"
        onClick={() => chooseTheme(isDark ? "light" : "dark")}
      >
        {isDark ? <Icon name="sun" /> : <Icon name="moon" />}
      </button>
    </>
  );
}
