import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { SearchHit } from "../../client/index.ts";
import { useChatApi } from "../../client/react/index.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { describeError } from "./errors.ts";
import { listTime } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** Characters that are shown before the first place that was found. */
const LEAD = 40;
/** A search begins when nobody has typed for this long, milliseconds. */
const PAUSE_MS = 300;
const PAGE = 20;

interface Results {
  hits: readonly SearchHit[];
  /** Where the next page begins; null when that is all. */
  next: number | null;
}

/** Searches one conversation; choosing what was found leads there. */
export function SearchPanel({
  conversationId,
  nameOf,
  onOpen,
  onClose,
}: {
  conversationId: string;
  nameOf: (userId: string) => string;
  onOpen: (id: number) => void;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const { results, error, isBusy, search, more } = useSearch(conversationId);

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    const timer = setTimeout(() => search(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, search]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    search(text);
  };

  return (
    <search
      className="search"
      aria-label={t.search}
      data-testid="search-panel"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.nativeEvent.isComposing) onClose();
      }}
    >
      <form className="search-bar" onSubmit={submit}>
        <input
          ref={input}
          type="search"
          className="field"
          aria-label={t.search}
          placeholder={t.searchPlaceholder}
          maxLength={LIMITS.searchLength}
          value={text}
          data-testid="search-input"
          onChange={(event) => setText(event.target.value)}
        />
        <button
          type="button"
          className="icon-button"
          aria-label={t.closeSearch}
          data-testid="search-close"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </form>
      <output className="search-status" data-testid="search-status">
        {isBusy
          ? t.loading
          : results &&
            (results.hits.length === 0
              ? t.nothingFound
              : t.found(results.hits.length, results.next !== null))}
      </output>
      {error !== null && (
        <p className="form-error" role="alert">
          {describeError(error, t)}{" "}
          <button type="button" className="text-button" onClick={() => search(text, true)}>
            {t.retry}
          </button>
        </p>
      )}
      <ul className="hits">
        {results?.hits.map((hit) => (
          <Hit key={hit.id} hit={hit} name={nameOf(hit.sender_id)} onOpen={onOpen} />
        ))}
      </ul>
      {results && results.next !== null && (
        <button type="button" className="text-button list-more" disabled={isBusy} onClick={more}>
          {t.showMore}
        </button>
      )}
    </search>
  );
}

function Hit({ hit, name, onOpen }: { hit: SearchHit; name: string; onOpen: (id: number) => void }) {
  const { t, language } = useI18n();
  return (
    <li>
      <button type="button" className="hit" data-testid={`hit-${hit.id}`} onClick={() => onOpen(hit.id)}>
        <span className="hit-top">
          <bdi>{name}</bdi>
          <time dateTime={hit.created_at}>{listTime(language, t, new Date(hit.created_at))}</time>
        </span>
        <span className="hit-text" dir="auto">
          {marked(hit)}
        </span>
      </button>
    </li>
  );
}

/** The text from a little before the first place on, with every place marked. */
function marked({ body, highlights }: SearchHit): ReactNode[] {
  const text = body?.text ?? "";
  const begin = Math.max(0, (highlights[0]?.start ?? 0) - LEAD);
  const parts: ReactNode[] = [begin > 0 ? "…" : ""];
  let at = begin;
  for (const { start, end } of highlights) {
    parts.push(text.slice(at, start), <mark key={start}>{text.slice(start, end)}</mark>);
    at = end;
  }
  parts.push(text.slice(at));
  return parts;
}

function useSearch(conversationId: string) {
  const api = useChatApi();
  const [results, setResults] = useState<Results | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  /** What is searched for now: an answer to anything else comes too late. */
  const current = useRef("");

  const [{ search, more }] = useState(() => {
    let shown: Results | null = null;
    const ask = async (q: string, beforeId: number | null): Promise<void> => {
      setBusy(true);
      setError(null);
      try {
        const page = await api.searchMessages(conversationId, {
          q,
          limit: PAGE,
          ...(beforeId === null ? {} : { before_id: beforeId }),
        });
        if (current.current !== q) return;
        const earlier = beforeId === null ? [] : (shown?.hits ?? []);
        shown = { hits: [...earlier, ...page.data], next: page.next_before_id ?? null };
        setResults(shown);
      } catch (caught) {
        if (current.current === q) setError(caught);
      } finally {
        if (current.current === q) setBusy(false);
      }
    };
    return {
      search(text: string, isAgain = false) {
        const q = text.trim();
        if (q === current.current && !isAgain) return;
        current.current = q;
        if (q !== "") return void ask(q, null);
        shown = null;
        setResults(null);
        setError(null);
        setBusy(false);
      },
      more() {
        if (shown && shown.next !== null) void ask(current.current, shown.next);
      },
    };
  });
  return { results, error, isBusy, search, more };
}
