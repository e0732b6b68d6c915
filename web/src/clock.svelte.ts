/** The present, once a second, and whether the viewer's system is dark. */

class Clock {
  nowMs = $state(Date.now());
  dark = $state(false);

  start(): () => void {
    const timer = window.setInterval(() => (this.nowMs = Date.now()), 1000);
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    const follow = () => (this.dark = scheme.matches);
    follow();
    scheme.addEventListener("change", follow);
    return () => {
      clearInterval(timer);
      scheme.removeEventListener("change", follow);
    };
  }
}

export const clock = new Clock();

/** A colour of tokens.css by name, as the canvas needs it. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
