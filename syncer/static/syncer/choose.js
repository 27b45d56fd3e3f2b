// Of the member statuses, offers those of the chosen campaign; its first one is the default.
'use strict';
{
    const campaign = document.querySelector('select[data-member-statuses]');
    const status = campaign && document.getElementById(campaign.dataset.memberStatuses);
    if (status) {
        const all = [...status.options];
        const offer = () => {
            const text = campaign.selectedOptions[0].dataset.statuses;
            const known = text ? JSON.parse(text) : [];
            const chosen = status.value;
            // The first one is what the empty entry stands for.
            const others = known.slice(1).map((name) => all.find((option) => option.value === name));
            status.replaceChildren(all[0], ...(known.length ? others : campaign.value ? all.slice(1) : []));
            status.value = [...status.options].some((option) => option.value === chosen) ? chosen : '';
            status.options[0].textContent = known.length ? `${known[0]} (the default)` : "The campaign's own default";
            status.disabled = !campaign.value;
        };
        campaign.addEventListener('change', offer);
        offer();
    }
}
