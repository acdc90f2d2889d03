import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { followVisualViewport } from "./visual-viewport.ts";

followVisualViewport();
const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
