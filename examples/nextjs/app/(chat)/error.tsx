"use client";

export default function ChatFailed({ reset }: { error: Error; reset: () => void }) {
  return (
    <main className="notice" role="alert">
      <h1>Something went wrong</h1>
      <p>The chat service could not be reached, or it refused the request.</p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
