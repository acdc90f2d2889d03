import { useState } from "react";
import type { StorageState } from "../../client/index.ts";
import { useWebSocket } from "../../client/react/index.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** What it means that this device keeps nothing of what is unsent. */
export function StorageBanner() {
  const { t } = useI18n();
  const { reason } = useWebSocket().storage;
  const [closedFor, setClosedFor] = useState<StorageState["reason"]>(null);
  // Whose it is becomes known with the first connection.
  if (reason === null || reason === "unknown_user" || reason === closedFor) return null;
  return (
    <section className="banner" aria-label={t.storageTitle} data-testid="storage-banner" data-reason={reason}>
      <Icon name="disk" />
      <output>
        <strong>{reason === "full" ? t.storageFull : t.storageBlocked}</strong> {t.storageMeaning}
      </output>
      <button
        type="button"
        className="icon-button"
        aria-label={t.close}
        data-testid="storage-banner-close"
        onClick={() => setClosedFor(reason)}
      >
        <Icon name="close" />
      </button>
    </section>
  );
}
