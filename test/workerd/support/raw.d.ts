// Files that a test imports as their text (Vite's `?raw`).
declare module "*.md?raw" {
  const text: string;
  export default text;
}
