import { Avatar } from "./avatar.tsx";
import { useI18n } from "./i18n.ts";
import type { Person } from "./people.ts";

/** Faces that are shown; the others are a number. */
const MAX_FACES = 5;

/** Who has read the message above. */
export function ReadReceipt({
  messageId,
  readers,
  isGroup,
}: {
  messageId: number;
  readers: readonly Person[];
  isGroup: boolean;
}) {
  const { t } = useI18n();
  const names = t.readBy(readers.map(({ name }) => name));
  const more = readers.length - MAX_FACES;
  return (
    // Not read out as news of the log.
    <span className="receipt" title={names} aria-live="off" data-testid={`receipt-${messageId}`}>
      <span className="hidden">{names}</span>
      <span className="receipt-faces" aria-hidden="true">
        {!isGroup && t.read}
        {isGroup &&
          readers
            .slice(0, MAX_FACES)
            .map(({ id, name, avatar_url }) => (
              <Avatar key={id} id={id} name={name} url={avatar_url} size="tiny" />
            ))}
        {isGroup && more > 0 && `+${more}`}
      </span>
    </span>
  );
}
