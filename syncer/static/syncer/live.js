// Keeps the status line of the dashboard and the progress of an action fresh.
'use strict';
{
    const show = (root, name, text) => {
        const place = root.querySelector(`[data-live="${name}"]`);
        if (place && place.textContent !== text) {
            place.textContent = text;
            place.hidden = !text;
        }
    };

    const showProgress = (bar, state) => {
        if (!bar) {
            return;
        }
        bar.hidden = !state.running;
        if (state.total) {
            bar.max = state.total;
            bar.value = state.done;
        } else {
            bar.removeAttribute('value');
        }
    };

    // Asks again and again until `use` says how long to wait no more. A hidden page asks nothing.
    const watch = (url, use) => {
        const ask = async () => {
            let wait = 10000;
            if (!document.hidden) {
                try {
                    const answer = await fetch(url, {headers: {Accept: 'application/json'}, cache: 'no-store'});
                    wait = answer.ok && !answer.redirected ? use(await answer.json()) : null;
                } catch {
                    wait = 10000;
                }
            }
            if (wait !== null) {
                setTimeout(ask, wait);
            }
        };
        return ask;
    };

    const status = document.getElementById('status');
    if (status) {
        let wasRunning = !status.querySelector('progress').hidden;
        const ask = watch(status.dataset.url, (state) => {
            if (wasRunning && !state.running) {
                location.reload();
                return null;
            }
            wasRunning = state.running;
            status.className = `status status-${state.level}`;
            show(status, 'line', state.line);
            show(status, 'more', state.more);
            showProgress(status.querySelector('progress'), state);
            return state.running ? 1500 : 5000;
        });
        setTimeout(ask, wasRunning ? 1500 : 5000);
    }

    const run = document.getElementById('run-progress');
    if (run && run.dataset.url) {
        const bar = document.querySelector('progress[data-live="progress"]');
        const ask = watch(run.dataset.url, (state) => {
            if (!state.running) {
                location.reload();
                return null;
            }
            if (run.textContent !== state.text) {
                run.textContent = state.text;
            }
            showProgress(bar, state);
            return 1500;
        });
        setTimeout(ask, 1000);
    }
}
