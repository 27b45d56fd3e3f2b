// Of the states, offers those of the chosen country. What the person has stays until somebody changes the country.
'use strict';
{
    const country = document.querySelector('select[data-states]');
    const state = country && document.getElementById(country.dataset.states);
    if (state && state.tagName === 'SELECT' && !state.disabled) {
        const groups = [...state.querySelectorAll('optgroup')];
        const offer = (shown) => {
            const chosen = state.value;
            const holds = (group) => [...group.children].some((option) => option.value === chosen);
            groups.forEach((group) => group.remove());
            state.append(...groups.filter((group) => !country.value || group.label === country.value || (shown && holds(group))));
            state.value = [...state.options].some((option) => option.value === chosen) ? chosen : '';
        };
        country.addEventListener('change', () => offer(false));
        offer(true);
    }
}
