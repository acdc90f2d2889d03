/**
 * Keeps the app as tall as what is left above an on-screen keyboard. Safari shrinks only the visual
 * viewport, so 100dvh alone would leave the composer behind the keyboard.
 */
export function followVisualViewport(): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const apply = () => {
    const hiddenPx = window.innerHeight - viewport.height * viewport.scale;
    const { style } = document.documentElement;
    if (hiddenPx > 80) {
      style.setProperty("--app-height", `${viewport.height}px`);
      window.scrollTo(0, 0);
    } else {
      style.removeProperty("--app-height");
    }
  };
  viewport.addEventListener("resize", apply);
}
