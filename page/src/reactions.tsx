import type { Reaction } from "../../protocol/entities.ts";
import { useI18n } from "./i18n.ts";

/** Who gave a message which emoji. Choosing one gives it, or takes it back. */
export function Reactions({
  reactions,
  myId,
  nameOf,
  onToggle,
}: {
  reactions: readonly Reaction[];
  myId: string;
  nameOf: (userId: string) => string;
  onToggle: (emoji: string, isMine: boolean) => void;
}) {
  const { t } = useI18n();
  if (reactions.length === 0) return null;
  return (
    <fieldset className="reactions">
      <legend className="hidden">{t.reactions}</legend>
      {reactions.map(({ emoji, count, user_ids }) => {
        const isMine = user_ids.includes(myId);
        const names = user_ids.map(nameOf);
        return (
          <button
            key={emoji}
            type="button"
            className="reaction"
            aria-pressed={isMine}
            aria-label={t.reactedWith(emoji, names)}
            title={t.reactedWith(emoji, names)}
            data-testid={`reaction-${emoji}`}
            data-count={count}
            onClick={() => onToggle(emoji, isMine)}
          >
            <span aria-hidden="true">{emoji}</span>
            <span aria-hidden="true">{count}</span>
          </button>
        );
      })}
    </fieldset>
  );
}
