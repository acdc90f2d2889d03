import { useId } from "react";

/** Something that is on or off, with what that means. */
export function Switch({
  label,
  hint,
  isOn,
  isDisabled = isOn === undefined,
  testId,
  onChange,
}: {
  label: string;
  hint: string;
  /** undefined while it is not known. */
  isOn: boolean | undefined;
  isDisabled?: boolean;
  testId: string;
  onChange: (isOn: boolean) => void;
}) {
  const hintId = useId();
  const labelId = useId();
  return (
    <label className="setting">
      <span>
        <span id={labelId}>{label}</span>
        <small id={hintId}>{hint}</small>
      </span>
      <input
        type="checkbox"
        role="switch"
        className="switch"
        aria-labelledby={labelId}
        aria-describedby={hintId}
        checked={isOn ?? false}
        aria-checked={isOn ?? false}
        disabled={isDisabled}
        data-testid={testId}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}
