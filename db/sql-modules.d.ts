// SQL files are text modules (wrangler's default rule).
declare module "*.sql" {
  const text: string;
  export default text;
}
