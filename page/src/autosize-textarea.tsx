import type { ComponentProps } from "react";

/** A textarea as tall as its text, up to a limit in the style sheet: an invisible copy of it sets the size. */
export function AutosizeTextarea({
  value,
  ...props
}: Omit<ComponentProps<"textarea">, "value"> & { value: string }) {
  return (
    <div className="autosize" data-copy={`${value} `}>
      <textarea rows={1} dir="auto" {...props} value={value} />
    </div>
  );
}
