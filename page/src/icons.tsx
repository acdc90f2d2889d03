const shapes = {
  back: <path d="M15 5l-7 7 7 7" />,
  plus: <path d="M12 5v14M5 12h14" />,
  close: <path d="M6 6l12 12M18 6L6 18" />,
  send: <path d="M12 19V5M5.500 11.500L12 5l6.500 6.500" />,
  down: <path d="M12 5v14M5.500 12.500L12 19l6.500-6.500" />,
  more: (
    <>
      <circle cx="6" cy="12" r="1" />
      <circle cx="12" cy="12" r="1" />
      <circle cx="18" cy="12" r="1" />
    </>
  ),
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1.100 1.100M17.300 17.300l1.100 1.100M5.600 18.400l1.100-1.100M17.300 6.700l1.100-1.100" />
    </>
  ),
  moon: <path d="M20 14.500A8 8 0 0 1 9.500 4a8 8 0 1 0 10.500 10.500Z" />,
  window: (
    <>
      <path d="M14 4h6v6M20 4l-8 8" />
      <path d="M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4" />
    </>
  ),
  swap: <path d="M4 8h14l-3.500-3.500M20 16H6l3.500 3.500" />,
  clock: (
    <>
      <circle cx="12" cy="12" r="8" />
      <path d="M12 7.500V12l3 2" />
    </>
  ),
  alert: (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path d="M12 7.500v5.500M12 16.300v.2" />
    </>
  ),
  settings: (
    <>
      <path d="M4 7h9M18 7h2M4 17h2M11 17h9" />
      <circle cx="15.500" cy="7" r="2.500" />
      <circle cx="8.500" cy="17" r="2.500" />
    </>
  ),
  check: <path d="M5 12.500l4.500 4.500L19 7.500" />,
};

/** A line drawing; what it means is said in words beside it or in a label. */
export function Icon({ name }: { name: keyof typeof shapes }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {shapes[name]}
    </svg>
  );
}

/** The product's mark: a bubble that smiles. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" />
      <path d="M16 7.500a9 8.200 0 0 0-9 8.200c0 2.500 1.100 4.700 2.900 6.200L9.300 25.300a.5.5 0 0 0 .74.52l3.500-1.980c.8.16 1.600.24 2.460.24a9 8.200 0 0 0 0-16.580Z" />
      <path className="mark-smile" d="M11.600 17.300a4.800 4.200 0 0 0 8.800 0" />
    </svg>
  );
}
