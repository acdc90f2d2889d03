import type { Connectivity } from "./connectivity.ts";
import { useI18n } from "./i18n.ts";

/** A dot and a word, always on screen. */
export function ConnectionStatus({ connectivity }: { connectivity: Connectivity }) {
  const { t } = useI18n();
  return (
    <output className="connection" data-testid="connection-status" data-status={connectivity}>
      <span className="connection-dot" aria-hidden="true" />
      {t[connectivity]}
    </output>
  );
}
