import {
  ArrowDown,
  ArrowLeft,
  ArrowLeftRight,
  ArrowUp,
  Check,
  CircleAlert,
  Clock,
  Copy,
  Ellipsis,
  ExternalLink,
  EyeOff,
  HardDrive,
  LogOut,
  type LucideIcon,
  Moon,
  Pencil,
  Plus,
  Reply,
  Search,
  Settings,
  ShieldMinus,
  ShieldPlus,
  Smile,
  Sun,
  Trash2,
  UserMinus,
  UserPlus,
  X,
} from "lucide-react";

const icons = {
  admin: ShieldPlus,
  alert: CircleAlert,
  back: ArrowLeft,
  check: Check,
  clock: Clock,
  close: X,
  copy: Copy,
  delete: Trash2,
  disk: HardDrive,
  down: ArrowDown,
  edit: Pencil,
  hidden: EyeOff,
  leave: LogOut,
  member: ShieldMinus,
  moon: Moon,
  more: Ellipsis,
  plus: Plus,
  react: Smile,
  removePerson: UserMinus,
  addPerson: UserPlus,
  reply: Reply,
  search: Search,
  send: ArrowUp,
  settings: Settings,
  sun: Sun,
  swap: ArrowLeftRight,
  window: ExternalLink,
} satisfies Record<string, LucideIcon>;

export type IconName = keyof typeof icons;

/** A line drawing; what it means is said in words beside it or in a label. */
export function Icon({ name }: { name: IconName }) {
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
