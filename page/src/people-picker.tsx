import { useState } from "react";
import type { DemoUser } from "../../dev/demo-users.ts";
import { Avatar } from "./avatar.tsx";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** Chooses among the demo users: one, or any number. */
export function PeoplePicker({
  people,
  isMultiple,
  chosenIds,
  onChange,
}: {
  people: readonly DemoUser[];
  isMultiple: boolean;
  chosenIds: readonly string[];
  onChange: (chosenIds: readonly string[]) => void;
}) {
  const { t } = useI18n();
  const [filter, setFilter] = useState("");
  const wanted = folded(filter.trim());
  const found = people.filter(({ name }) => folded(name).includes(wanted));

  const toggle = (id: string) => {
    if (!isMultiple) onChange([id]);
    else onChange(chosenIds.includes(id) ? chosenIds.filter((other) => other !== id) : [...chosenIds, id]);
  };
  return (
    <>
      <label className="search-field">
        <Icon name="search" />
        <input
          type="search"
          className="field"
          placeholder={t.findPeople}
          aria-label={t.findPeople}
          value={filter}
          data-testid="people-filter"
          onChange={(event) => setFilter(event.target.value)}
          onKeyDown={(event) => {
            // Nobody who looks for a name has finished the form.
            if (event.key === "Enter") event.preventDefault();
          }}
        />
      </label>
      <fieldset className="people people-choice">
        <legend className="hidden">{t.people}</legend>
        {found.map((person) => (
          <label key={person.id} className="person">
            <input
              type={isMultiple ? "checkbox" : "radio"}
              name="person"
              className="hidden"
              checked={chosenIds.includes(person.id)}
              data-testid={`choose-${person.id}`}
              onChange={() => toggle(person.id)}
            />
            <Avatar id={person.id} name={person.name} url={person.avatar_url} size="small" />
            <bdi>{person.name}</bdi>
            <span className="person-check">
              <Icon name="check" />
            </span>
          </label>
        ))}
      </fieldset>
      <output className={found.length === 0 ? "people-none" : "hidden"} data-testid="people-none">
        {found.length === 0 ? t.nobodyFound : t.peopleFound(found.length)}
      </output>
    </>
  );
}

const folded = (text: string): string => text.normalize("NFC").toLocaleLowerCase();
