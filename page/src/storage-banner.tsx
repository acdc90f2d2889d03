import { useEffect, useState } from "react";
import { useChatClient } from "../../client/react/index.ts";
import { useI18n } from "./i18n.ts";

/** Says that what is written is lost with the window, while that is so. */
export function StorageBanner() {
  const { t } = useI18n();
  const chat = useChatClient();
  const [storage, setStorage] = useState(chat.storage);
  useEffect(() => {
    setStorage(chat.storage);
    return chat.onStorage(setStorage);
  }, [chat]);
  if (storage.kept === "disk" || storage.reason === "unknown_user") return null;
  return (
    <output className="banner banner-quiet" data-testid="storage-banner" data-reason={storage.reason}>
      <p>
        {storage.reason === "full" ? t.storageFull : t.storageUnavailable} {t.storageHint}
      </p>
    </output>
  );
}
