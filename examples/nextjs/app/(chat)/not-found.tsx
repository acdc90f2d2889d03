import Link from "next/link";

export default function NotFound() {
  return (
    <main className="notice">
      <h1>Not found</h1>
      <p>There is no such conversation, or you take no part in it.</p>
      <Link href="/">All conversations</Link>
    </main>
  );
}
