import type { Metadata } from "next";
import { signIn } from "@/auth";
import { DEMO_USERS } from "@/lib/demo-users";

export const metadata: Metadata = { title: "Sign in" };

async function signInAs(userId: string): Promise<void> {
  "use server";
  await signIn("credentials", { userId, redirectTo: "/" });
}

export default function SignInPage() {
  return (
    <main className="sign-in">
      <h1>Sign in</h1>
      <p>Choose somebody. Choose somebody else in another browser, and talk.</p>
      <ul className="cards">
        {DEMO_USERS.map(({ id, name }) => (
          <li key={id}>
            <form action={signInAs.bind(null, id)}>
              <button type="submit" className="card">
                {name}
              </button>
            </form>
          </li>
        ))}
      </ul>
    </main>
  );
}
