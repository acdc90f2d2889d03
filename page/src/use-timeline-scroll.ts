import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Closer to the end than this counts as reading the newest message, in pixels. */
const NEAR_END_PX = 64;

type Anchor = "end" | { element: HTMLElement; topPx: number };

/**
 * Keeps what is being read where it is, whatever changes above or below: at the end the timeline follows,
 * anywhere else the first visible message stays at its place. The browser's own scroll anchoring is
 * switched off in the style sheet, because Safari has none.
 *
 * @param content what the timeline shows; any change of it may move things
 */
export function useTimelineScroll(scroller: RefObject<HTMLDivElement | null>, content: unknown) {
  const anchor = useRef<Anchor>("end");
  const [isAtEnd, setAtEnd] = useState(true);

  const remember = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const isNearEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    anchor.current = isNearEnd ? "end" : (firstVisible(element) ?? "end");
    setAtEnd(isNearEnd);
  }, [scroller]);

  const restore = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    if (anchor.current === "end") {
      element.scrollTop = element.scrollHeight;
    } else if (anchor.current.element.isConnected) {
      const movedPx = anchor.current.element.getBoundingClientRect().top - anchor.current.topPx;
      if (Math.abs(movedPx) >= 1) element.scrollTop += movedPx;
    }
  }, [scroller]);

  const scrollToEnd = useCallback(() => {
    anchor.current = "end";
    setAtEnd(true);
    restore();
  }, [restore]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the content is what moves things.
  useLayoutEffect(restore, [content, restore]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(restore);
    observer.observe(element);
    if (element.firstElementChild) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, [scroller, restore]);

  return { isAtEnd, onScroll: remember, scrollToEnd };
}

function firstVisible(scroller: HTMLElement): Anchor | null {
  const edgePx = scroller.getBoundingClientRect().top;
  const rows = scroller.querySelectorAll<HTMLElement>("[data-anchor]");
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const bottom = rows[middle]?.getBoundingClientRect().bottom ?? 0;
    if (bottom > edgePx) high = middle;
    else low = middle + 1;
  }
  const element = rows[low];
  return element ? { element, topPx: element.getBoundingClientRect().top } : null;
}
