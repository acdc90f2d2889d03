import { type KeyboardEvent, type RefObject, useEffect, useRef } from "react";

/**
 * Enter acts, Shift+Enter starts a new line, and an Enter that an input method still needs is left to
 * it. That Enter arrives in different orders:
 *
 * - Chrome: keydown while composing (229), compositionend, then a second, plain keydown. Acting on both
 *   would send the last syllable twice.
 * - Safari: compositionend first, then one keydown that says isComposing=false, but keyCode 229. No second
 *   keydown follows; for Hangul the line break does, so that is where it acts.
 *
 * @returns a keydown handler for the textarea in `textarea`
 */
export function useEnter(textarea: RefObject<HTMLTextAreaElement | null>, act: () => void) {
  const latestAct = useRef(act);
  latestAct.current = act;
  const isLineBreakAnEnter = useRef(false);

  useEffect(() => {
    const element = textarea.current;
    if (!element) return;
    const onBeforeInput = (event: InputEvent) => {
      const isLineBreak = event.inputType === "insertLineBreak" || event.inputType === "insertParagraph";
      if (!isLineBreak || !isLineBreakAnEnter.current) return;
      event.preventDefault();
      isLineBreakAnEnter.current = false;
      if (!event.isComposing) latestAct.current();
    };
    element.addEventListener("beforeinput", onBeforeInput);
    return () => element.removeEventListener("beforeinput", onBeforeInput);
  }, [textarea]);

  return (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== "Enter" && event.keyCode !== 229) return;
    if (event.nativeEvent.isComposing || event.keyCode === 229) {
      isLineBreakAnEnter.current = event.key === "Enter" && !event.shiftKey;
      return;
    }
    isLineBreakAnEnter.current = false;
    if (event.shiftKey) return;
    event.preventDefault();
    act();
  };
}
