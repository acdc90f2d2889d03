import {
  ArrowDown,
  ArrowLeftRight,
  ArrowUp,
  Bell,
  Check,
  ChevronLeft,
  CircleAlert,
  Clock,
  Ellipsis,
  ExternalLink,
  EyeOff,
  LogOut,
  type LucideIcon,
  Moon,
  Plus,
  Reply,
  Search,
  Settings2,
  ShieldCheck,
  ShieldOff,
  SmilePlus,
  Sun,
  UserMinus,
  UserPlus,
  X,
} from "lucide-react";

const icons = {
  back: ChevronLeft,
  plus: Plus,
  close: X,
  send: ArrowUp,
  down: ArrowDown,
  more: Ellipsis,
  sun: Sun,
  moon: Moon,
  window: ExternalLink,
  swap: ArrowLeftRight,
  clock: Clock,
  alert: CircleAlert,
  settings: Settings2,
  check: Check,
  search: Search,
  reply: Reply,
  react: SmilePlus,
  hidden: EyeOff,
  bell: Bell,
  add: UserPlus,
  remove: UserMinus,
  admin: ShieldCheck,
  member: ShieldOff,
  leave: LogOut,
} satisfies Record<string, LucideIcon>;

/** A line drawing; what it means is said in words beside it or in a label. */
export function Icon({ name }: { name: keyof typeof icons }) {
  const Drawing = icons[name];
  return <Drawing className="icon" aria-hidden="true" focusable="false" />;
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
